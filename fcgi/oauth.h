/* oauth.h: what both halves of a login share: being sent to GitHub (oauth_start.c) and coming back (oauth_callback.c).
 */
#ifndef CRAFT_FCGI_OAUTH_H
#define CRAFT_FCGI_OAUTH_H

#define OAUTH_START "/oauth/github"
#define OAUTH_CALLBACK "/oauth/github/callback"

#endif
