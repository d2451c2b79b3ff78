/* repo_key.h: repositories by their key, owner/repo, and by URL. */
#ifndef CRAFT_FCGI_REPO_KEY_H
#define CRAFT_FCGI_REPO_KEY_H

#include "buf.h"

/* Is it owner/repo by GitHub's rules? Owner: 1 to 39 letters, digits and single hyphens, neither first nor last, and
 * at most one underscore before the short code of an enterprise's managed users (name_code). Repo: 1 to 100 of A-Z a-z
 * 0-9 . _ -, but not . or .., and without .git at its end. Only ASCII. */
bool repo_key_valid(struct slice key);

/* Does the URL name just that repository (a valid key) on GITHUB_URL's host? Its forms, letters' case aside:
 *   https://host[:port][/path]/owner/repo[.git][/]    scheme, host, port and path as GITHUB_URL has them
 *   git@host:owner/repo[.git]
 *   ssh://git@host[:port]/owner/repo[.git]
 * With a user in the first one, with a query, a fragment, escapes, spaces or control characters: false. */
bool repo_url_names(struct slice url, const char *github_url, struct slice key);

#endif
