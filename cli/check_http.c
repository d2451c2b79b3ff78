/* check_http.c: asks the server as a client does, through nginx. */
#include "check_http.h"

#include <curl/curl.h>

#include "cleanup.h"

#define MAX_ANSWER 4096
#define TIMEOUT 10L /* s */

static const char expected[] = "{\"status\":\"ok\",\"service\":\"craft-agent-cloud\"}";

/* Stops the transfer of what is too long to be it. */
static size_t take(char *data, size_t size, size_t count, void *arg)
{
	struct buf *answer = arg;
	size_t n = size * count;
	if (answer->len + n > MAX_ANSWER)
		return 0;
	buf_add(answer, data, n);
	return n;
}

static void end(CURL **curl)
{
	curl_easy_cleanup(*curl);
}

bool check_http(const char *url, const char *ca_file, struct buf *error)
{
	autobuf target = { 0 }, answer = { 0 };
	char why[CURL_ERROR_SIZE] = "";
	long status = 0;
	autocall(end) CURL *curl = curl_easy_init();
	if (!curl)
		abort();
	buf_addf(&target, "%s/", url);
	bool set = curl_easy_setopt(curl, CURLOPT_URL, buf_cstr(&target)) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_WRITEDATA, (void *)&answer) == CURLE_OK &&
		   (!ca_file || curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file) == CURLE_OK);
	CURLcode result = set ? curl_easy_perform(curl) : CURLE_FAILED_INIT;
	if (result != CURLE_OK && result != CURLE_WRITE_ERROR) {
		buf_add_str(error, *why ? why : curl_easy_strerror(result));
		if (result == CURLE_PEER_FAILED_VERIFICATION)
			buf_add_str(error, " (--ca-file says whose certificates are good)");
		return false;
	}
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200 && slice_eq_str(buf_slice(&answer), expected))
		return true;
	buf_addf(error, "status %ld, and not our answer", status);
	return false;
}
