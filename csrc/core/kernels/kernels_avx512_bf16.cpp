#define FASTNET_NAMESPACE avx512_bf16
#define FASTNET_VECTOR_BYTES 64
#include "kernels_impl.h"
