/* health.c: GET / tells that the service is there (and, with a key, whether the key is right). */
#include "handlers.h"

enum status health_get(struct request *req, struct response *res, struct database *db)
{
	(void)req;
	(void)db;
	response_json(res, 200, SLICE_LIT("{\"status\":\"ok\",\"service\":\"craft-agent-cloud\"}"));
	return STATUS_OK;
}

/* nginx gives upgrades to the bridge; who comes here asked for none. (No Upgrade header: HTTP/2 forbids it.) */
enum status health_upgrade(struct request *req, struct response *res, struct database *db)
{
	(void)req;
	(void)res;
	(void)db;
	return STATUS_UPGRADE_REQUIRED;
}
