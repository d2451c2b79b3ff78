/* proxy.h: OUTGOING_PROXY: which of our own requests to the outside go by it. */
#ifndef CRAFT_PROXY_H
#define CRAFT_PROXY_H

#include "conf.h"

/* The proxy for this http(s) URL, as libcurl and git take it (it holds the password); NULL: none, or the URL's host is
 * one of OUTGOING_PROXY_EXCEPT. */
const char *proxy_for(const struct conf *conf, const char *url);

#endif
