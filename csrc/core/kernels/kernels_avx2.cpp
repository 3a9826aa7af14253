#define FASTNET_NAMESPACE avx2
#define FASTNET_VECTOR_BYTES 32
#include "kernels_impl.h"
