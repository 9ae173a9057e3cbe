/* The sums of one route and method, and its latest requests. */

#include "native.h"

static int
row_traverse(RequestRow *self, visitproc visit, void *arg)
{
    Py_VISIT(self->door);
    Py_VISIT(self->method);
    Py_VISIT(self->steps);
    Py_VISIT(self->recorder);
    return 0;
}

static int
row_clear(RequestRow *self)
{
    Py_CLEAR(self->door);
    Py_CLEAR(self->method);
    Py_CLEAR(self->steps);
    Py_CLEAR(self->recorder);
    return 0;
}

static void
row_dealloc(RequestRow *self)
{
    PyObject_GC_UnTrack(self);
    row_clear(self);
    PyMem_Free(self->recent);
    Py_TYPE(self)->tp_free(self);
}

/* Adds a request to the ring, which grows as needed; without memory the request is left out. */
void
add_to_recent(RequestRow *row, const double *parts)
{
    Py_ssize_t at = row->finished % RECENT;
    if (at >= row->room) {
        Py_ssize_t room = row->room ? 4 * row->room : 64;
        room = room < RECENT ? room : RECENT;
        double *larger = PyMem_Realloc(row->recent, room * PARTS * sizeof(double));
        if (larger == NULL) {
            return;
        }
        row->recent = larger;
        row->room = room;
    }
    memcpy(row->recent + at * PARTS, parts, PARTS * sizeof(double));
    row->finished++;
}

/* recent() -> the parts of the latest requests, oldest first, as bytes of doubles */
static PyObject *
row_recent(RequestRow *self, PyObject *unused)
{
    (void)unused;
    Py_ssize_t size = PARTS * sizeof(double), at = self->finished % RECENT;
    if (self->finished <= RECENT) {
        return PyBytes_FromStringAndSize((char *)self->recent, self->finished * size);
    }
    PyObject *found = PyBytes_FromStringAndSize(NULL, RECENT * size);
    if (found != NULL) {
        char *copy = PyBytes_AS_STRING(found);
        memcpy(copy, self->recent + at * PARTS, (RECENT - at) * size);
        memcpy(copy + (RECENT - at) * size, self->recent, at * size);
    }
    return found;
}

static PyObject *
row_counts(RequestRow *self, void *unused)
{
    (void)unused;
    return counts_of(&self->latency);
}

static PyObject *
row_sums(RequestRow *self, void *unused)
{
    (void)unused;
    return floats_of(self->latency.sums);
}

static PyMethodDef row_methods[] = {
    {"recent", (PyCFunction)row_recent, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef row_members[] = {
    {"running", T_DOUBLE, offsetof(RequestRow, running), 0, NULL},
    {"time", T_DOUBLE, offsetof(RequestRow, time), 0, NULL},
    {"queued", T_DOUBLE, offsetof(RequestRow, queued), 0, NULL},
    {"stalled", T_DOUBLE, offsetof(RequestRow, stalled), 0, NULL},
    {"pooled", T_DOUBLE, offsetof(RequestRow, pooled), 0, NULL},
    {"background", T_DOUBLE, offsetof(RequestRow, background), 0, NULL},
    {"number", T_PYSSIZET, offsetof(RequestRow, number), 0, NULL},
    {"finished", T_PYSSIZET, offsetof(RequestRow, finished), READONLY, NULL},
    {"door", T_OBJECT_EX, offsetof(RequestRow, door), 0, NULL},
    {"method", T_OBJECT_EX, offsetof(RequestRow, method), 0, NULL},
    {"steps", T_OBJECT_EX, offsetof(RequestRow, steps), 0, NULL},
    {"recorder", T_OBJECT, offsetof(RequestRow, recorder), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef row_getset[] = {
    {"counts", (getter)row_counts, NULL, NULL, NULL},
    {"sums", (getter)row_sums, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject RequestRowType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.RowNumbers",
    .tp_basicsize = sizeof(RequestRow),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)row_dealloc,
    .tp_traverse = (traverseproc)row_traverse,
    .tp_clear = (inquiry)row_clear,
    .tp_members = row_members,
    .tp_getset = row_getset,
    .tp_methods = row_methods,
};
