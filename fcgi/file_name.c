/* file_name.c: which names files may have. */
#include "file_name.h"

static bool has_control_character(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char byte = (unsigned char)name.ptr[i];
		if (byte < 0x20 || byte == 0x7F)
			return true;
	}
	return false;
}

const char *file_name_fault(struct slice name)
{
	if (name.len == 0)
		return "is empty";
	if (name.len > FILE_NAME_MAX)
		return "is longer than 255 bytes";
	if (slice_eq_str(name, ".") || slice_eq_str(name, ".."))
		return "is . or ..";
	if (memchr(name.ptr, '/', name.len))
		return "holds a slash";
	return has_control_character(name) ? "holds a control character" : NULL;
}
