/* handlers.h: the handlers that the route table names, each in the file that its first word names. */
#ifndef CRAFT_FCGI_HANDLERS_H
#define CRAFT_FCGI_HANDLERS_H

#include "routes.h"

#define ACTION_BODY (1u << 20) /* bytes of the body of an action, which may be absent where the table of routes has 0  \
				*/

route_handler health_get, health_upgrade;
route_handler documents_list, documents_get;
route_handler sessions_get;
route_handler plans_get;
route_handler projects_get, projects_delete_credential;
route_handler actions_new_chat, actions_flag_session, actions_unflag_session, actions_rename_session,
	actions_delete_session;
route_handler oauth_start, oauth_callback;
route_handler sandbox_check_post, sandbox_create_post, sandbox_status_get, sandbox_delete, sandbox_heartbeat_post;
route_handler files_put, files_get, files_delete, files_sign, files_list, files_delete_session;
route_check files_sign_check;

#endif
