// SPDX-License-Identifier: GPL-2.0-only
/* The code of the tracepoints, which their header writes. */
#ifndef __CHECKER__
#define CREATE_TRACE_POINTS
#include "trace.h"
#endif
