#define FASTNET_NAMESPACE neon
#define FASTNET_VECTOR_BYTES 16
#include "kernels_impl.h"
