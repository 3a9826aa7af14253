# Fails if the object file OBJECT shares code with the rest of the library. Called after the build as
#   cmake -D NM=... -D OBJECT=... -D ISA=avx512 -P CheckKernelSymbols.cmake
#
# An inline function or template that several object files hold (a "weak" symbol, std::vector<float>::push_back say)
# is kept once, from any of them. The copy in kernels_avx512.o may use AVX-512: were it kept, every caller would fail
# with an illegal instruction on a machine without. So all that is weak there must be of the set's own namespace.
execute_process(COMMAND ${NM} --defined-only -P ${OBJECT} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(LENGTH ${ISA} length)
string(REGEX MATCHALL "[^\n]+ [uWw] " weak "${symbols}")
list(FILTER weak EXCLUDE REGEX "7fastnet${length}${ISA}")
if(weak)
  list(JOIN weak "\n  " weak)
  message(FATAL_ERROR
    "${OBJECT} holds code that is not in namespace fastnet::${ISA} and that other object files may share. "
    "Move it there, or call it from a file that is compiled for every machine:\n  ${weak}")
endif()
