/* oauth_page.h: the pages and redirections that a person sees on the way to GitHub and back: HTML without scripts,
 * never in a frame, names of others as text only. */
#ifndef CRAFT_FCGI_OAUTH_PAGE_H
#define CRAFT_FCGI_OAUTH_PAGE_H

#include "oauth_token.h"
#include "request.h"
#include "response.h"

/* "You let this workspace use that repository": its button leads to url; browser: the cookie that goes with it.
 * granted: GitHub was asked before, and this is the last step. */
enum status oauth_page_consent(struct request *req, struct response *res, const struct oauth_grant *grant,
			       struct slice url, struct slice browser, bool granted)
	__attribute__((warn_unused_result));
/* "This was used already", with a link to where it led; outcome empty: not known. */
enum status oauth_page_used(struct request *req, struct response *res, const struct oauth_grant *grant,
			    const struct buf *outcome) __attribute__((warn_unused_result));

/* 302, never kept and without a referrer. */
void oauth_redirect(struct response *res, const struct buf *target);

#endif
