# SPDX-License-Identifier: Apache-2.0
# The C++ package: find_package(tightrope) gives tightrope::tightrope.
include(CMakePackageConfigHelpers)

install(DIRECTORY include/tightrope DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT cpp)
install(TARGETS tightrope_core tightrope_openvino tightrope_onnx tightrope EXPORT tightrope-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT cpp)
install(EXPORT tightrope-targets NAMESPACE tightrope:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tightrope COMPONENT cpp)
configure_package_config_file(cmake/tightrope-config.cmake.in ${PROJECT_BINARY_DIR}/tightrope-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tightrope)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tightrope-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tightrope-config.cmake ${PROJECT_BINARY_DIR}/tightrope-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tightrope COMPONENT cpp)
