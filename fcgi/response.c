/* response.c: writing the answer. */
#include "response.h"

#include "etag.h"
#include "json.h"
#include "record.h"

#define BLOCK_SIZE 65536

void response_init(struct response *r, FCGX_Request *fcgi, bool head, struct spool *spool)
{
	*r = (struct response){ .fcgi = fcgi, .head = head };
	output_init(&r->out, fcgi->ipcFd, spool);
}

void response_for(struct response *r, struct slice workspace)
{
	output_for(&r->out, workspace);
}

void response_free(struct response *r)
{
	output_free(&r->out);
	buf_free(&r->headers);
	buf_free(&r->block);
	buf_free(&r->kept);
	buf_free(&r->kept_tag);
}

/* A control byte would end the header, and what follows would be headers or a page of somebody else's making. */
static bool is_clean(struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char byte = (unsigned char)value.ptr[i];
		if (byte < 0x20 || byte == 0x7F)
			return false;
	}
	return true;
}

static void add_header(struct response *r, const char *name, struct slice value)
{
	if (!is_clean(value)) {
		r->unclean = name;
		return;
	}
	buf_addf(&r->headers, "%s: ", name);
	buf_add_slice(&r->headers, value);
	buf_add_str(&r->headers, "\r\n");
}

static bool put(struct response *r, struct slice head, struct slice body)
{
	r->sent |= head.len || body.len;
	if (!r->gone && !record_write(&r->out, r->fcgi->requestId, head, body))
		r->gone = true;
	return !r->gone;
}

/* What nothing else is known of may neither be kept nor be shown again when it is another: errors that end, lists,
 * links. */
static void end_headers(struct response *r)
{
	if (!r->caching)
		response_header(r, HEADER_CACHE_CONTROL, SLICE_LIT("no-store"));
	buf_add_str(&r->headers, "\r\n");
}

/* The headers go with the first block. */
static bool flush(struct response *r)
{
	bool first = !r->sent;
	/* Not a byte: dispatch() makes another answer of it. */
	if (r->unclean)
		return false;
	if (first && r->http)
		end_headers(r);
	bool ok = put(r, first ? buf_slice(&r->headers) : slice_make(NULL, 0), buf_slice(&r->block));
	buf_clear(&r->block);
	return ok;
}

void response_begin(struct response *r, int http, const char *type)
{
	r->http = http;
	buf_addf(&r->headers, "Status: %d %s\r\n", http, status_reason(http));
	if (type)
		add_header(r, http_header_name(HEADER_CONTENT_TYPE), slice_of(type));
}

void response_header(struct response *r, enum http_header header, struct slice value)
{
	r->caching |= header == HEADER_CACHE_CONTROL;
	add_header(r, http_header_name(header), value);
}

void response_length(struct response *r, uint64_t length)
{
	buf_addf(&r->headers, "Content-Length: %llu\r\n", (unsigned long long)length);
	r->measured = true;
}

void response_etag(struct response *r, struct slice tag)
{
	if (etag_valid(tag)) {
		autobuf quoted = { 0 };
		buf_add_char(&quoted, '"');
		buf_add_slice(&quoted, tag);
		buf_add_char(&quoted, '"');
		response_header(r, HEADER_ETAG, buf_slice(&quoted));
	}
	response_header(r, HEADER_CACHE_CONTROL, SLICE_LIT("private, no-cache"));
}

void response_keep(struct response *r, struct slice tag, size_t longest)
{
	r->keep = longest;
	buf_clear(&r->kept);
	buf_clear(&r->kept_tag);
	buf_add_slice(&r->kept_tag, tag);
}

static void keep(struct response *r, struct slice s)
{
	if (r->kept.len + s.len <= r->keep) {
		buf_add_slice(&r->kept, s);
		return;
	}
	r->keep = 0;
	buf_free(&r->kept);
}

bool response_write(struct response *r, struct slice s)
{
	if (r->head)
		return true;
	if (r->full)
		return false;
	if (r->keep)
		keep(r, s);
	r->bytes += s.len;
	if (r->block.len + s.len < BLOCK_SIZE) {
		buf_add_slice(&r->block, s);
		return !r->gone;
	}
	if (!r->sent)
		r->full = output_is_full(&r->out);
	return !r->full && flush(r) && put(r, s, slice_make(NULL, 0));
}

void response_json(struct response *r, int http, struct slice body)
{
	response_begin(r, http, TYPE_JSON);
	(void)response_write(r, body);
}

void response_error(struct response *r, int http, const char *text)
{
	autobuf body = { 0 };
	buf_add_str(&body, "{\"error\":");
	json_encode(&body, slice_of(text));
	buf_add_char(&body, '}');
	if (!r->http)
		response_begin(r, http, TYPE_JSON);
	(void)response_write(r, buf_slice(&body));
}

bool response_take_back(struct response *r)
{
	if (r->sent)
		return false;
	buf_clear(&r->headers);
	buf_clear(&r->block);
	r->http = 0;
	r->measured = r->caching = r->full = false;
	r->unclean = NULL;
	r->bytes = r->keep = 0;
	return true;
}

void response_not_modified(struct response *r, struct slice tag)
{
	response_begin(r, 304, NULL);
	response_etag(r, tag);
}

/* Without a shutdown of the connection, which a sender may have by now. */
static void close_connection(struct response *r)
{
	r->fcgi->detached = true;
	FCGX_Free(r->fcgi, 1);
}

void response_end(struct response *r, const char *id)
{
	/* All of it is here: its length is known. */
	if (!r->sent && !r->head && !r->measured && r->http != 304 && r->http != 204)
		response_length(r, r->bytes);
	if (!flush(r)) {
		FCGX_Free(r->fcgi, 1);
		return;
	}
	if (output_is_spooled(&r->out)) {
		if (record_end(&r->out, r->fcgi->requestId))
			output_hand_over(&r->out, id);
		close_connection(r);
		return;
	}
	/* libfcgi would wait until nginx has closed its side too, and read what comes until then. Where nothing can
	 * come the worker is free at once. */
	r->fcgi->detached = !r->has_input;
	FCGX_Finish_r(r->fcgi);
}

void response_break(struct response *r, const char *id)
{
	/* Where fastcgi_keep_conn isn't on, nginx would take the end of the connection for the end of the answer. With
	 * a bad record it gives up in any case, and it closes the client's connection unfinished. Between FCGX calls
	 * the stream stands at the start of a record. */
	bool told = !r->gone && record_bad(&r->out);
	if (told && output_is_spooled(&r->out)) {
		output_hand_over(&r->out, id);
		close_connection(r);
		return;
	}
	FCGX_Free(r->fcgi, 1);
}
