/* blob_dir.c: the blob directory for the commands. */
#include "blob_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

void blob_dir_explain(const struct conf *conf, struct buf *error)
{
	struct stat st;
	if (geteuid() == 0 || stat(conf->blob_dir, &st) || st.st_uid == geteuid())
		return;
	const struct passwd *owner = getpwuid(st.st_uid);
	if (owner)
		buf_addf(error, " (the directory belongs to %s: run this as that user)", owner->pw_name);
	else
		buf_addf(error, " (the directory belongs to user %lu: run this as that user)",
			 (unsigned long)st.st_uid);
}

bool blob_dir_open(const struct conf *conf, bool write, struct blobs *blobs)
{
	autobuf error = { 0 };
	if (blobs_open(blobs, conf->blob_dir, &error) && write &&
	    faccessat(blobs->incoming, ".", W_OK | X_OK, AT_EACCESS))
		buf_addf(&error, "BLOB_DIR: can't write to the directory %s: %s", conf->blob_dir, strerror(errno));
	if (error.len == 0)
		return true;
	blob_dir_explain(conf, &error);
	(void)cli_fail("%s", buf_cstr(&error));
	return false;
}
