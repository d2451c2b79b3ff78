/* driver.c: lines from stdin, and settings in them. */
#include "driver.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "sandbox/disk.h"
#include "sandbox/reach.h"

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	static char bytes[65536];
	(void)handle;
	(void)suggested;
	*out = uv_buf_init(bytes, sizeof(bytes));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
	struct driver_input *input = stream->data;
	struct buf *unread = &input->unread;
	if (n < 0) {
		if (input->end)
			input->end();
		driver_close(input);
		return;
	}
	buf_add(unread, data->base, (size_t)n);
	for (char *end; unread->len && (end = memchr(unread->data, '\n', unread->len));) {
		*end = '\0';
		input->obey(unread->data);
		buf_drop_front(unread, (size_t)(end - unread->data) + 1);
	}
}

bool driver_read(struct driver_input *input, uv_loop_t *loop)
{
	if (uv_pipe_init(loop, &input->pipe, 0) < 0)
		return false;
	input->pipe.data = input;
	return uv_pipe_open(&input->pipe, STDIN_FILENO) == 0 &&
	       uv_read_start((uv_stream_t *)&input->pipe, on_alloc, on_read) == 0;
}

void driver_close(struct driver_input *input)
{
	if (!uv_is_closing((uv_handle_t *)&input->pipe))
		uv_close((uv_handle_t *)&input->pipe, NULL);
}

void driver_free(struct driver_input *input)
{
	buf_free(&input->unread);
}

char *driver_value(char *line)
{
	char *space = strchr(line, ' ');
	if (!space)
		return line + strlen(line);
	*space = '\0';
	return space + 1;
}

bool driver_set(const struct driver_setting *settings, size_t count, const char *name, const char *value)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(name, settings[i].name) != 0)
			continue;
		free(*settings[i].place);
		*settings[i].place = xstrdup(value);
		return true;
	}
	return false;
}

bool driver_reach(struct conf *conf, struct buf *error)
{
	return geteuid() != 0 || (disk_own_mounts(error) && reach_prepare(conf, error));
}
