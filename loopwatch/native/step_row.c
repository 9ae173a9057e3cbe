/* The steps of one coroutine: short ones in two numbers, long ones by bucket. */

#include "native.h"

/* Moves the long steps of a request to a row. */
void
take_long_steps(StepRow *row, Request *request)
{
    for (Py_ssize_t n = 0; n < request->long_steps; n++) {
        add_to_buckets(&row->all, request->times[n]);
    }
    request->long_steps = 0;
}

static PyObject *
step_row_add(StepRow *self, PyObject *seconds)
{
    double took;
    if (to_float(seconds, &took) < 0) {
        return NULL;
    }
    add_to_buckets(&self->all, took);
    Py_RETURN_NONE;
}

static PyObject *
step_row_counts(StepRow *self, void *unused)
{
    (void)unused;
    return counts_of(&self->all);
}

static PyObject *
step_row_sums(StepRow *self, void *unused)
{
    (void)unused;
    return floats_of(self->all.sums);
}

static PyMemberDef step_row_members[] = {
    {"seconds", T_DOUBLE, offsetof(StepRow, seconds), 0, NULL},
    {"steps", T_PYSSIZET, offsetof(StepRow, steps), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef step_row_getset[] = {
    {"counts", (getter)step_row_counts, NULL, NULL, NULL},
    {"sums", (getter)step_row_sums, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef step_row_methods[] = {
    {"add", (PyCFunction)step_row_add, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject StepRowType = { /* it holds no objects; its Python subclass adds some */
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.StepNumbers",
    .tp_basicsize = sizeof(StepRow),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_members = step_row_members,
    .tp_getset = step_row_getset,
    .tp_methods = step_row_methods,
};
