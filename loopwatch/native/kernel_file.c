/* Reads small files of the kernel (/proc, cgroups) without releasing the GIL.

   Such a read takes microseconds. Among threads that compete for the GIL each release costs the
   watchdog tens of milliseconds (tried: 250 ms for its four files beside four busy threads), in
   which the stall that it looks at may end. */

#include "native.h"

#ifndef _WIN32
#include <unistd.h>
#endif

#define MOST 512 /* bytes read */

/* read_at_once(descriptor): the first bytes of an open file; b"" on an error. */
PyObject *
read_at_once(PyObject *module, PyObject *descriptor)
{
    (void)module;
    int file = (int)PyLong_AsLong(descriptor);
    if (file == -1 && PyErr_Occurred()) {
        return NULL;
    }
    char text[MOST];
    Py_ssize_t length = 0;
#ifndef _WIN32
    length = pread(file, text, sizeof(text), 0);
#endif
    return PyBytes_FromStringAndSize(text, length > 0 ? length : 0);
}
