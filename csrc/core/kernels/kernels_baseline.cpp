#define FASTNET_NAMESPACE baseline
#define FASTNET_VECTOR_BYTES 16
#include "kernels_impl.h"
