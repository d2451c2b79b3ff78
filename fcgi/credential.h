/* credential.h: GitHub credentials of projects, sealed at rest (PROTOCOL section 5). */
#ifndef CRAFT_FCGI_CREDENTIAL_H
#define CRAFT_FCGI_CREDENTIAL_H

#include "database.h"
#include "github.h"
#include "github_token.h"
#include "request.h"

/* Which project's. */
struct credential_place {
	struct slice workspace, repo_key;
};

/* Seals it in the form that the database names, and stores it in place of an older one. branch: the repository's
 * default one; empty: not known. */
enum status credential_store(struct request *req, struct database *db, const struct credential_place *place,
			     struct slice repo_url, struct slice branch, const struct github_token *token)
	__attribute__((warn_unused_result));

/* Seals it likewise, for who stores it himself. */
enum status credential_seal(struct request *req, struct database *db, const struct credential_place *place,
			    const struct github_token *token, struct buf *sealed) __attribute__((warn_unused_result));

/* What there is for a project. */
struct credential_found {
	bool usable;	    /* it is there, opens, can be used or renewed, and GitHub has refused nothing */
	bool denied;	    /* it would be usable, but the repository can't be seen with it */
	int64_t checked_ms; /* when GitHub was last asked; 0: not known */
	struct buf sealed;
	struct github_token token;
};
void credential_found_free(struct credential_found *f);
#define autocredential __attribute__((cleanup(credential_found_free))) struct credential_found

/* What *found held before is freed. */
enum status credential_find(struct request *req, struct database *db, const struct credential_place *place,
			    struct credential_found *found) __attribute__((warn_unused_result));

/* Notes GitHub's word on it: GITHUB_OK, GITHUB_REFUSED, GITHUB_NO_ACCESS or GITHUB_SSO; of others nothing is noted. */
enum status credential_note(struct database *db, const struct credential_place *place,
			    const struct credential_found *found, enum github_result word)
	__attribute__((warn_unused_result));

/* Renews the token, or takes what another process has renewed meanwhile: of all that come at once one asks GitHub. When
 * it can't be renewed now the old one stays in *found; when GitHub refuses to, *found is no longer usable. */
enum status credential_renew(struct request *req, struct database *db, const struct credential_place *place,
			     struct credential_found *found) __attribute__((warn_unused_result));

#endif
