/* oauth_consent.h: does the user of this browser know for whom he grants access? A link to /oauth/github can be sent to
 * anybody. So a browser that follows one shows a page that names workspace and repository, and only its button, in this
 * one browser, leads on. A program (curl, the app itself) shows no pages, and is let on as ever. */
#ifndef CRAFT_FCGI_OAUTH_CONSENT_H
#define CRAFT_FCGI_OAUTH_CONSENT_H

#include "oauth_token.h"
#include "request.h"
#include "response.h"

/* Does somebody look at the answer (Sec-Fetch-Mode: navigate; all browsers of today send it over TLS and to this
 * machine)? */
bool oauth_is_browser(const struct request *req);
/* Is it fetched ahead of anybody's opening it (Sec-Purpose, Purpose, X-Moz, X-Purpose)? */
bool oauth_is_ahead(const struct request *req);

/* Appends &consent=… to the URL of the page's button; *browser gets the cookie to which it is bound. */
enum status oauth_consent_add(struct request *req, const struct oauth_grant *grant, struct buf *url,
			      struct buf *browser) __attribute__((warn_unused_result));
/* Was that button pressed, in this browser? */
bool oauth_consent_given(const struct request *req, const struct oauth_grant *grant, const struct buf *consent);

/* Marks the browser that goes to GitHub with this state. */
enum status oauth_consent_prove(struct request *req, struct response *res, struct slice state)
	__attribute__((warn_unused_result));
/* Did it go there from here? */
bool oauth_consent_proved(const struct request *req, struct slice state);

/* Sets the one cookie that all this needs, for ten minutes. */
enum status oauth_consent_cookie(struct request *req, struct response *res, struct slice value)
	__attribute__((warn_unused_result));

#endif
