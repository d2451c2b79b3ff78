/* media_guess.c: a table of file name extensions. Our own, so that a file's type is the same on every host. */
#include "media_guess.h"

#include <stdlib.h>
#include <strings.h>

#include "media_type.h"

#define LONGEST 8

struct guess {
	const char *extension, *type;
};

/* By extension. */
/* clang-format off */
static const struct guess table[] = {
	{ "7z", "application/x-7z-compressed" },
	{ "aac", "audio/aac" },
	{ "apng", "image/apng" },
	{ "avi", "video/x-msvideo" },
	{ "avif", "image/avif" },
	{ "bmp", "image/bmp" },
	{ "bz2", "application/x-bzip2" },
	{ "c", "text/x-c" },
	{ "cc", "text/x-c" },
	{ "cpp", "text/x-c" },
	{ "css", "text/css" },
	{ "csv", "text/csv" },
	{ "diff", "text/x-diff" },
	{ "doc", "application/msword" },
	{ "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document" },
	{ "epub", "application/epub+zip" },
	{ "flac", "audio/flac" },
	{ "gif", "image/gif" },
	{ "go", "text/x-go" },
	{ "gz", "application/gzip" },
	{ "h", "text/x-c" },
	{ "heic", "image/heic" },
	{ "htm", "text/html" },
	{ "html", "text/html" },
	{ "ico", "image/x-icon" },
	{ "java", "text/x-java" },
	{ "jpeg", "image/jpeg" },
	{ "jpg", "image/jpeg" },
	{ "js", "text/javascript" },
	{ "json", "application/json" },
	{ "jsonl", "application/jsonl" },
	{ "log", "text/plain" },
	{ "m4a", "audio/mp4" },
	{ "m4v", "video/mp4" },
	{ "markdown", "text/markdown" },
	{ "md", "text/markdown" },
	{ "mjs", "text/javascript" },
	{ "mkv", "video/x-matroska" },
	{ "mov", "video/quicktime" },
	{ "mp3", "audio/mpeg" },
	{ "mp4", "video/mp4" },
	{ "mpeg", "video/mpeg" },
	{ "oga", "audio/ogg" },
	{ "ogg", "audio/ogg" },
	{ "ogv", "video/ogg" },
	{ "opus", "audio/ogg" },
	{ "otf", "font/otf" },
	{ "patch", "text/x-diff" },
	{ "pdf", "application/pdf" },
	{ "png", "image/png" },
	{ "ppt", "application/vnd.ms-powerpoint" },
	{ "pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation" },
	{ "py", "text/x-python" },
	{ "rb", "text/x-ruby" },
	{ "rs", "text/x-rust" },
	{ "rtf", "application/rtf" },
	{ "sh", "application/x-sh" },
	{ "svg", "image/svg+xml" },
	{ "tar", "application/x-tar" },
	{ "tgz", "application/gzip" },
	{ "tif", "image/tiff" },
	{ "tiff", "image/tiff" },
	{ "toml", "application/toml" },
	{ "ts", "text/x-typescript" },
	{ "tsv", "text/tab-separated-values" },
	{ "tsx", "text/x-typescript" },
	{ "ttf", "font/ttf" },
	{ "txt", "text/plain" },
	{ "vtt", "text/vtt" },
	{ "wasm", "application/wasm" },
	{ "wav", "audio/wav" },
	{ "weba", "audio/webm" },
	{ "webm", "video/webm" },
	{ "webp", "image/webp" },
	{ "woff", "font/woff" },
	{ "woff2", "font/woff2" },
	{ "xhtml", "application/xhtml+xml" },
	{ "xls", "application/vnd.ms-excel" },
	{ "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
	{ "xml", "text/xml" },
	{ "xz", "application/x-xz" },
	{ "yaml", "application/yaml" },
	{ "yml", "application/yaml" },
	{ "zip", "application/zip" },
	{ "zst", "application/zstd" },
};
/* clang-format on */

static int compare(const void *extension, const void *guess)
{
	return strcasecmp(extension, ((const struct guess *)guess)->extension);
}

const char *media_guess(struct slice name)
{
	char extension[LONGEST + 1] = { 0 };
	const char *dot = name.len ? memrchr(name.ptr, '.', name.len) : NULL;
	size_t len = dot ? (size_t)(name.ptr + name.len - dot - 1) : 0;
	if (len == 0 || len > LONGEST)
		return MEDIA_TYPE_DEFAULT;
	memcpy(extension, dot + 1, len);
	const struct guess *found = bsearch(extension, table, sizeof(table) / sizeof(*table), sizeof(*table), compare);
	return found ? found->type : MEDIA_TYPE_DEFAULT;
}
