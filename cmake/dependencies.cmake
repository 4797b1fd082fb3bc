# SPDX-License-Identifier: Apache-2.0
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)

# Headers alone: stb_image decodes pictures, toml++ reads configuration files of the command line.
find_path(STB_INCLUDE_DIR stb_image.h PATH_SUFFIXES stb REQUIRED)
find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h REQUIRED)

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # With precompiled headers ccache needs to be told which differences do not count; nor does the folder of the project.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime
    CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endif()

# OpenVINO comes from the Python package, unless a CMake package is found first (CMAKE_PREFIX_PATH, OpenVINO_DIR).
find_package(Python 3.11 REQUIRED COMPONENTS Interpreter OPTIONAL_COMPONENTS Development.Module)
find_package(OpenVINO 2026.4 QUIET COMPONENTS Runtime)
if(NOT OpenVINO_FOUND)
  execute_process(COMMAND ${Python_EXECUTABLE} -c
      "import importlib.util as u, os; print(os.path.dirname(u.find_spec('openvino').origin))"
    OUTPUT_VARIABLE openvino_package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE missing)
  if(missing)
    message(FATAL_ERROR "OpenVINO was not found: neither a CMake package nor the Python package 'openvino' of ${Python_EXECUTABLE}")
  endif()
  find_package(OpenVINO REQUIRED COMPONENTS Runtime PATHS ${openvino_package}/cmake NO_DEFAULT_PATH)
endif()

add_library(tightrope_openvino_headers INTERFACE)
target_include_directories(tightrope_openvino_headers SYSTEM INTERFACE
  $<TARGET_PROPERTY:openvino::runtime,INTERFACE_INCLUDE_DIRECTORIES>)
target_compile_definitions(tightrope_openvino_headers INTERFACE
  $<TARGET_PROPERTY:openvino::runtime,INTERFACE_COMPILE_DEFINITIONS>)

# ONNX Runtime: headers only, of a release that is installed or that scripts/install_onnxruntime_headers.sh has unpacked.
# The library is opened when the first ONNX model is run.
foreach(attempt installed unpacked)
  find_path(ONNXRUNTIME_INCLUDE_DIR onnxruntime_cxx_api.h
    HINTS ${PROJECT_SOURCE_DIR}/.venv/onnxruntime/usr/include ${PROJECT_BINARY_DIR}/onnxruntime/usr/include
    PATH_SUFFIXES onnxruntime onnxruntime/core/session)
  if(NOT ONNXRUNTIME_INCLUDE_DIR AND attempt STREQUAL "installed")
    execute_process(COMMAND ${PROJECT_SOURCE_DIR}/scripts/install_onnxruntime_headers.sh ${PROJECT_BINARY_DIR}/onnxruntime)
  endif()
endforeach()
if(NOT ONNXRUNTIME_INCLUDE_DIR)
  message(FATAL_ERROR "The headers of ONNX Runtime were not found. Install libonnxruntime-dev, or set "
    "ONNXRUNTIME_INCLUDE_DIR to a folder that has them")
endif()
add_library(tightrope_onnxruntime_headers INTERFACE)
target_include_directories(tightrope_onnxruntime_headers SYSTEM INTERFACE ${ONNXRUNTIME_INCLUDE_DIR})
target_compile_definitions(tightrope_onnxruntime_headers INTERFACE ORT_API_MANUAL_INIT)
# The messages of ONNX files, made from the schema in the Python package. Their package is renamed: other libraries in the
# process bring the same messages under the original name.
execute_process(COMMAND ${Python_EXECUTABLE} -c
    "import importlib.util as u, os; print(os.path.dirname(u.find_spec('onnx').origin))"
  OUTPUT_VARIABLE onnx_package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE missing)
if(missing)
  message(FATAL_ERROR "The Python package 'onnx' of ${Python_EXECUTABLE} was not found; it holds the schema of ONNX files")
endif()
find_package(Protobuf REQUIRED)
set(onnx_messages ${PROJECT_BINARY_DIR}/onnx_messages)
set(TIGHTROPE_ONNX_MESSAGES ${onnx_messages}/onnx_ml.pb.cc)
file(READ ${onnx_package}/onnx-ml.proto schema)
string(REPLACE "\npackage onnx;" "\npackage tightrope_onnx;" schema "${schema}")
file(CONFIGURE OUTPUT ${onnx_messages}/onnx_ml.proto CONTENT "${schema}" @ONLY)
add_custom_command(OUTPUT ${onnx_messages}/onnx_ml.pb.cc ${onnx_messages}/onnx_ml.pb.h
  COMMAND protobuf::protoc --cpp_out=${onnx_messages} -I${onnx_messages} ${onnx_messages}/onnx_ml.proto
  DEPENDS ${onnx_messages}/onnx_ml.proto VERBATIM)

add_library(tightrope_onnx_headers INTERFACE)
target_include_directories(tightrope_onnx_headers SYSTEM INTERFACE ${onnx_messages})
target_link_libraries(tightrope_onnx_headers INTERFACE protobuf::libprotobuf-lite)
