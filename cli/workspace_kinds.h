/* workspace_kinds.h: what a workspace's archive is made of:
 *   manifest.json             format, version, name, and how much of what
 *   sessions/000001.jsonl     JSON lines, in parts; the same for the other kinds
 *   blobs/000001              the bytes of the first file, and so on
 *   SHA256SUMS */
#ifndef CRAFT_WORKSPACE_KINDS_H
#define CRAFT_WORKSPACE_KINDS_H

#define WORKSPACE_FORMAT "craft-agent-cloud workspace"
#define WORKSPACE_VERSION "1"
#define WORKSPACE_MANIFEST "manifest.json"

enum workspace_kind {
	KIND_SESSIONS,
	KIND_MESSAGES,
	KIND_SOURCES,
	KIND_CONFIGS,
	KIND_SKILLS,
	KIND_PLANS,
	KIND_PROJECTS,
	KIND_FILES
};
#define KIND_COUNT (KIND_FILES + 1)
/* In the order in which they stand in the archive. */
extern const char *const workspace_kinds[KIND_COUNT];

#endif
