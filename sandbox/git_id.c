/* git_id.c: what looks like an id. */
#include "git_id.h"

bool git_id_valid(struct slice text)
{
	if (text.len != 40 && text.len != 64)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!text.ptr[i] || !strchr("0123456789abcdef", text.ptr[i]))
			return false;
	return true;
}
