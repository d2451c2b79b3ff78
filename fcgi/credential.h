/* credential.h: GitHub credentials of projects, sealed at rest (PROTOCOL section 5). */
#ifndef CRAFT_FCGI_CREDENTIAL_H
#define CRAFT_FCGI_CREDENTIAL_H

#include "database.h"
#include "request.h"

/* Who granted access, for credential_store(). */
struct credential {
	struct slice workspace, repo_key, repo_url;
	struct slice branch; /* the default one; empty: not known */
	struct slice token, username, scope;
	int64_t user_id;
};

/* Seals it and stores it, in place of an older one. */
enum status credential_store(struct request *req, struct database *db, const struct credential *c)
	__attribute__((warn_unused_result));

/* What there is for a project. */
struct credential_found {
	bool usable;		  /* it is there, opens, and GitHub has not refused it */
	int64_t checked_ms;	  /* when GitHub last accepted it; 0: not known */
	struct buf sealed, token; /* token: wiped by credential_found_free() */
};
void credential_found_free(struct credential_found *f);
#define autocredential __attribute__((cleanup(credential_found_free))) struct credential_found

enum status credential_find(struct request *req, struct database *db, struct slice workspace, struct slice repo_key,
			    struct credential_found *found) __attribute__((warn_unused_result));

/* GitHub accepted it, or refused it. */
enum status credential_note(struct database *db, struct slice workspace, struct slice repo_key,
			    const struct credential_found *found, bool valid) __attribute__((warn_unused_result));

/* The access token of a sealed credential. False: neither key opens it, or it is none. */
bool credential_open(const struct service *s, struct slice sealed, struct buf *token);

#endif
