/* conf.h: the configuration: one file of KEY=value lines, the environment over it, every key in one table. */
#ifndef CRAFT_CONF_H
#define CRAFT_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "buf.h"

/* Which programs need a key; also names the program that loads. */
enum conf_program { CONF_FCGI = 1, CONF_BRIDGE = 2, CONF_ADMIN = 4, CONF_SANDBOX = 8 };

/* Values as loaded. Texts belong to the struct until conf_free(). Sizes in bytes, times in the unit named. */
struct conf {
	char *api_key;
	char *api_key_previous; /* NULL: none */
	char *database_url;
	char *database_owner_url; /* NULL: database_url */
	int64_t log_level;	  /* enum log_level */
	int64_t log_format;	  /* enum log_format */
	char *fcgi_listen;
	int64_t fcgi_workers;
	char *fcgi_upload_listen;
	int64_t fcgi_upload_workers;
	char *fcgi_github_listen;
	int64_t fcgi_github_workers;
	int64_t fcgi_answer_cache;
	int64_t fcgi_spool;
	char *fcgi_spool_dir;
	char *fcgi_metrics_listen; /* NULL: none, as the other two */
	char *blob_dir;
	char *public_url; /* without a slash at its end; NULL: scheme and host of the request */
	int64_t max_upload;
	int64_t workspace_quota;       /* 0: no limit */
	int64_t sweep_interval;	       /* seconds; 0: never */
	char *encryption_key;	       /* 64 hex digits; NULL only where it isn't needed */
	char *encryption_key_previous; /* NULL: none */
	char *github_client_id;	       /* NULL: none */
	char *github_client_secret;    /* NULL: none */
	char *github_url;	       /* without a slash at its end, as the next one */
	char *github_api_url;
	char *github_ca_file;  /* NULL: the system's */
	int64_t github_revoke; /* 0 or 1 */
	char *outgoing_proxy;  /* NULL: none, as the next two */
	char *outgoing_proxy_except;
	char *oauth_redirect_allow;
	char *ws_listen;
	char *ws_metrics_listen;
	int64_t socket_mode;
	int64_t ws_max_message;
	int64_t ws_max_queue;
	int64_t ws_ping_interval; /* ms */
	int64_t ws_max_connections;
	int64_t ws_connect_rate;	/* per second; 0: no limit */
	int64_t ws_message_rate;	/* per second and connection; 0: no limit */
	int64_t ws_address_connections; /* 0: no limit, as the next two */
	int64_t ws_address_connect_rate;
	int64_t ws_ping_rate;
	int64_t ws_max_handshakes;
	int64_t ws_handshake_timeout; /* ms */
	int64_t ws_message_timeout;   /* ms */
	int64_t ws_max_requests;
	int64_t ws_max_request_bytes;
	int64_t ws_max_memory;
	int64_t ws_address_memory; /* 0: no limit */
	int64_t wrong_key_rate;	   /* per minute; 0: no limit */
	int64_t ws_drain_time;	   /* ms */
	int64_t ws_db_timeout;	   /* ms */
	int64_t session_header_max;
	int64_t change_log_bytes; /* of a workspace */
	int64_t change_log_keep;
	int64_t change_log_days;
	int64_t retry_hours;
	char *anthropic_api_key;  /* NULL: clients bring their own */
	char *anthropic_base_url; /* without a slash at its end */
	char *anthropic_ca_file;  /* NULL: the system's */
	char *sandbox_dir;
	char *sandbox_metrics_listen;
	char *sandbox_libexec;
	char *sandbox_agent;
	int64_t sandbox_max;
	int64_t sandbox_workspace_max;
	int64_t sandbox_idle_timeout; /* seconds, as all times of the sandbox */
	int64_t sandbox_stream_bytes; /* of a workspace's */
	int64_t sandbox_task_timeout;
	int64_t sandbox_agent_idle;
	int64_t sandbox_stream_keep;
	int64_t sandbox_clone_timeout;
	int64_t sandbox_repo_max;
	int64_t sandbox_job_bytes;
	int64_t sandbox_all_job_bytes;
	int64_t sandbox_diff_max;
	int64_t sandbox_output_max;
	int64_t sandbox_memory; /* 0: no limit, as the next two */
	int64_t sandbox_cpu;	/* percent of one CPU */
	int64_t sandbox_disk;
	int64_t sandbox_pids;
	int64_t sandbox_uid_base;
	char *sandbox_egress; /* NULL: nothing more */
	char *sandbox_permission_mode;
	char *sandbox_require;
};

/* Loads defaults, then the file, then the environment (KEY, and KEY_FILE=path for secrets). path NULL:
 * $CRAFT_CONFIG, else the installed default file, which may be missing. Secrets are wiped from the environment.
 * False: *error has one sentence that says what to do, with file and line where there is one. */
bool conf_load(struct conf *conf, enum conf_program program, const char *path, struct buf *error);
void conf_free(struct conf *conf);

/* Writes KEY=value lines of the keys that the program reads, secrets as "(set)" or "(not set)". */
void conf_print(const struct conf *conf, enum conf_program program, FILE *out);
/* Writes every key with its default and help, as --help shows it. */
void conf_help(enum conf_program program, FILE *out);

#endif
