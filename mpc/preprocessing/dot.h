// Inner products in F_p, reduced once at the end: mpc/field/product_sum.h.
#pragma once

#include "mpc/field/product_sum.h"
