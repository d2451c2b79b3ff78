/* tool_write.c: Write: a file with exactly these bytes. */
#include <stdio.h>

#include "cleanup.h"
#include "tool.h"

void tool_write(struct slice input)
{
	autofree char *path = tool_path(input, "file_path");
	autobuf content = { 0 };
	if (!path)
		tool_fail("file_path is missing.");
	if (!tool_bytes(input, "content", &content))
		tool_fail("content is missing.");
	if (tool_replace(path, buf_slice(&content)))
		(void)printf("The file %s has been updated successfully.", path);
	else
		(void)printf("File created successfully at: %s", path);
}
