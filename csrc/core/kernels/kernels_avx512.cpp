#define FASTNET_NAMESPACE avx512
#define FASTNET_VECTOR_BYTES 64
#include "kernels_impl.h"
