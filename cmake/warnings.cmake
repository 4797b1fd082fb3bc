# SPDX-License-Identifier: Apache-2.0
option(TIGHTROPE_WERROR "Treat warnings as errors" OFF)

function(tightrope_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
    -Wnon-virtual-dtor -Woverloaded-virtual)
  if(TIGHTROPE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
