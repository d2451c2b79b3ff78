/* api.c: a reverse proxy for the few requests that an agent makes to the model's API. What the client sent as its own
 * key is thrown away. Errors have the form of Anthropic's. */
#include "api.h"

#include "exchange.h"
#include "lib/json.h"

#define MAX_BODY (64ULL << 20)
#define MAX_MODEL_ID 200
#define OAUTH_BETA "oauth-2025-04-20"

enum action { REFUSE, ANSWER, PASS };

static const struct route {
	const char *method, *path;
	bool with_id; /* path, then an id */
	enum action action;
} routes[] = {
	{ "POST", "/v1/messages", false, PASS },
	{ "POST", "/v1/messages/count_tokens", false, PASS },
	{ "GET", "/v1/models", false, PASS },
	{ "GET", "/v1/models/", true, PASS },
	/* An agent looks with these whether anything is there. */
	{ "HEAD", "/", false, ANSWER },
	{ "GET", "/", false, ANSWER },
	{ "GET", "/health", false, ANSWER },
	{ "HEAD", "/health", false, ANSWER },
	{ "GET", "/api/hello", false, ANSWER },
};

/* ---- what is asked ---- */

static bool is_model_id(struct slice id)
{
	bool meaningful = false;
	for (size_t i = 0; i < id.len; i++) {
		char c = id.ptr[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!alnum && !(c && strchr("-._:@", c)))
			return false;
		meaningful = meaningful || alnum;
	}
	return meaningful && id.len <= MAX_MODEL_ID;
}

static struct slice path_of(struct slice target)
{
	const char *query = memchr(target.ptr, '?', target.len);
	return slice_make(target.ptr, query ? (size_t)(query - target.ptr) : target.len);
}

static bool fits(const struct route *route, struct slice method, struct slice path)
{
	size_t length = strlen(route->path);
	if (!slice_eq_str(method, route->method) || path.len < length || memcmp(path.ptr, route->path, length) != 0)
		return false;
	struct slice rest = slice_make(path.ptr + length, path.len - length);
	return route->with_id ? is_model_id(rest) : rest.len == 0;
}

static enum action action_of(const struct http_head *head)
{
	struct slice path = path_of(head->target);
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++)
		if (fits(&routes[i], head->method, path))
			return routes[i].action;
	return REFUSE;
}

/* ---- answers of our own ---- */

static void answer_error(struct exchange *x, int status, const char *type, const char *message)
{
	autobuf text = { 0 };
	buf_add_str(&text, "{\"type\":\"error\",\"error\":{\"type\":");
	json_encode(&text, slice_of(type));
	buf_add_str(&text, ",\"message\":");
	json_encode(&text, slice_of(message));
	buf_add_str(&text, "}}");
	exchange_answer(x, status, "application/json", buf_slice(&text));
}

static void report(const struct exchange *x, bool allowed, const char *reason)
{
	autobuf what = { 0 };
	buf_add_slice(&what, x->head.method);
	buf_add_char(&what, ' ');
	buf_add_slice(&what, path_of(x->head.target));
	report_decision(x->gate->report, allowed, "api", buf_slice(&what), slice_of(reason));
}

static void refuse(struct exchange *x, int status, const char *type, const char *message)
{
	report(x, false, message);
	answer_error(x, status, type, message);
}

static void answer_body_fault(struct exchange *x)
{
	x->close = true;
	if (x->body.state == BODY_TOO_LARGE)
		refuse(x, 413, "request_too_large", "The request is larger than 64 MB.");
	else if (x->body.state == BODY_TIMEOUT)
		answer_error(x, 408, "timeout_error", "The request came too slowly.");
	else
		answer_error(x, 400, "invalid_request_error", "The body of the request can't be understood.");
}

/* ---- passing on ---- */

static bool drops_key(struct slice name)
{
	return http_same(name, "x-api-key") || http_same(name, "accept-charset") || http_same(name, "origin") ||
	       http_same(name, "referer");
}

static bool drops_key_and_beta(struct slice name)
{
	return drops_key(name) || http_same(name, "anthropic-beta");
}

static void add_beta(const struct http_head *head, struct buf *field)
{
	bool there = false;
	buf_add_str(field, "anthropic-beta: ");
	for (size_t i = 0; i < head->count; i++) {
		const struct http_field *f = &head->fields[i];
		if (!http_same(f->name, "anthropic-beta") || f->value.len == 0)
			continue;
		there = there || http_list_has(f->value, SLICE_LIT(OAUTH_BETA));
		buf_add_slice(field, f->value);
		buf_add_char(field, ',');
	}
	if (!there)
		buf_add_str(field, OAUTH_BETA);
	else
		field->len--;
}

static void finish(struct exchange *x, enum upstream_result result, long status, struct buf *error)
{
	autobuf text = { 0 };
	switch (result) {
	case UPSTREAM_FAILED:
		buf_addf(&text, "The model API can't be reached: %s", buf_cstr(error));
		report(x, true, buf_cstr(&text));
		answer_error(x, 502, "api_error", buf_cstr(&text));
		break;
	case UPSTREAM_BODY:
		answer_body_fault(x);
		break;
	case UPSTREAM_CUT:
		buf_addf(&text, "the model API's answer was cut: %s", buf_cstr(error));
		report(x, true, buf_cstr(&text));
		break;
	default:
		if (status >= 400)
			buf_addf(&text, "the model API answers %ld", status);
		report(x, true, buf_cstr(&text));
	}
}

static void pass(struct exchange *x, struct slice key, bool oauth)
{
	struct buf fields[2] = { 0 };
	autobuf url = { 0 }, error = { 0 };
	long status;
	buf_add_str(&url, x->gate->model_url);
	buf_add_slice(&url, x->head.target);
	(void)buf_reserve(&fields[0], key.len + 32);
	buf_add_str(&fields[0], oauth ? "Authorization: Bearer " : "x-api-key: ");
	buf_add_slice(&fields[0], key);
	if (oauth)
		add_beta(&x->head, &fields[1]);
	const struct upstream_request request = { .url = buf_cstr(&url),
						  .ca_file = x->gate->model_ca,
						  .proxy = x->gate->model_proxy,
						  .post = slice_eq_str(x->head.method, "POST"),
						  .drops = oauth ? drops_key_and_beta : drops_key,
						  .fields = fields,
						  .field_count = oauth ? 2 : 1,
						  .secret = key };
	enum upstream_result result = upstream_pass(&x->gate->model_pool, x, &request, &status, &error);
	buf_wipe(&fields[0]);
	buf_free(&fields[1]);
	finish(x, result, status, &error);
}

static void handle(struct exchange *x)
{
	autowiped key = { 0 };
	bool oauth;
	enum action action = action_of(&x->head);
	bool with_body = slice_eq_str(x->head.method, "POST");
	if (action == REFUSE)
		refuse(x, 403, "permission_error",
		       "The sandbox's gateway passes on POST /v1/messages, POST /v1/messages/count_tokens and GET "
		       "/v1/models only.");
	else if (x->body.state == BODY_TOO_LARGE || (!with_body && x->body.state != BODY_DONE))
		answer_body_fault(x);
	else if (action == ANSWER)
		exchange_answer(x, 200, TEXT_PLAIN, SLICE_LIT("ok\n"));
	else if (vault_model_key(x->gate->vault, &key, &oauth))
		pass(x, buf_slice(&key), oauth);
	else
		refuse(x, 401, "authentication_error", "No key for the model API has been given to this sandbox yet.");
}

void api_serve(struct gate *gate, struct conn *conn)
{
	exchange_run(gate, conn, MAX_BODY, handle);
}
