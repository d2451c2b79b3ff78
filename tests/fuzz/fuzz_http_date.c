/* fuzz_http_date.c: any bytes as a date: what is read is written as a date that is read as the same. */
#include <assert.h>

#include "fcgi/http_date.h"
#include "lib/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t seconds, again;
	char text[HTTP_DATE_SIZE];
	/* An exact copy, so that reading beyond the end is seen. */
	autofree char *copy = xmalloc(size + !size);
	memcpy(copy, data, size);
	if (http_date_parse(slice_make(copy, size), &seconds)) {
		/* The only second that four digits can't name: the leap second at the end of 9999. */
		http_date_format(seconds, text);
		assert(strlen(text) == HTTP_DATE_SIZE - 1 && http_date_parse(slice_of(text), &again));
		assert(again == seconds || seconds == 253402300800);
	}
	if (size >= sizeof(seconds)) {
		memcpy(&seconds, data, sizeof(seconds));
		http_date_format(seconds, text);
		assert(strlen(text) == HTTP_DATE_SIZE - 1 && http_date_parse(slice_of(text), &again));
		assert(again == seconds || seconds < -62167219200 || seconds > 253402300799);
	}
	return 0;
}
