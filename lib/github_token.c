/* github_token.c: the access token inside a sealed GitHub credential. */
#include "github_token.h"

#include "json.h"

bool github_token_open(const struct seal_key *keys, size_t count, struct slice sealed, struct buf *token)
{
	autowiped plain = { 0 };
	struct slice value;
	bool opened = false;
	/* Room for all of it at once: no copy is left behind when the buffer grows. */
	(void)buf_reserve(&plain, sealed.len + 1);
	for (size_t i = 0; !opened && i < count; i++)
		opened = unseal(&keys[i], sealed, &plain);
	(void)buf_reserve(token, plain.len + 1);
	return opened && json_check(buf_slice(&plain), NULL) &&
	       json_kind_of(json_trim(buf_slice(&plain))) == JSON_OBJECT &&
	       json_get(json_trim(buf_slice(&plain)), "accessToken", &value) && json_kind_of(value) == JSON_STRING &&
	       json_decode(value, token) && token->len > 0;
}
