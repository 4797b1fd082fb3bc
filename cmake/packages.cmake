# SPDX-License-Identifier: Apache-2.0
# Debian packages of what has been built: tightrope (the command line) and libtightrope-dev (the C++ package).
# `make package` builds the target tightrope_share and runs cpack.
if(TIGHTROPE_CLI)
  add_custom_target(tightrope_share DEPENDS tightrope_binary VERBATIM
    COMMAND ${PROJECT_SOURCE_DIR}/scripts/write_share.sh $<TARGET_FILE:tightrope_binary> ${PROJECT_BINARY_DIR}/share)
  install(DIRECTORY ${PROJECT_BINARY_DIR}/share/ DESTINATION ${CMAKE_INSTALL_DATAROOTDIR} COMPONENT cli OPTIONAL)
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tightrope)
set(CPACK_PACKAGE_CONTACT "Tightrope maintainers <maintainers@tightrope.invalid>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL cli cpp)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_CLI_PACKAGE_NAME tightrope)
set(CPACK_DEBIAN_CLI_PACKAGE_SECTION science)
set(CPACK_DEBIAN_CLI_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_CLI_PACKAGE_SUGGESTS python3-venv)
set(CPACK_COMPONENT_CLI_DESCRIPTION "quantizes OpenVINO and ONNX models to 8 bits and keeps their accuracy
Tightrope measures a metric on data and returns to floating point the
operations that must not be quantized, until the metric has dropped by no
more than a limit. This package has the command line.

OpenVINO ${OpenVINO_VERSION_MAJOR}.${OpenVINO_VERSION_MINOR} is needed and not a package of Debian: for instance
'pip install openvino' in a Python environment.")

set(CPACK_DEBIAN_CPP_PACKAGE_NAME libtightrope-dev)
set(CPACK_DEBIAN_CPP_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_CPP_PACKAGE_DEPENDS "zlib1g-dev, libsqlite3-dev, libprotobuf-dev (>= 3.21)")
set(CPACK_DEBIAN_CPP_PACKAGE_SUGGESTS cmake)
set(CPACK_COMPONENT_CPP_DESCRIPTION "quantizes models to 8 bits and keeps their accuracy (C++ library)
Tightrope measures a metric on data and returns to floating point the
operations that must not be quantized, until the metric has dropped by no
more than a limit. This package has headers, static libraries and the CMake
package.

OpenVINO ${OpenVINO_VERSION_MAJOR}.${OpenVINO_VERSION_MINOR} is needed and not a package of Debian: the CMake variable
OpenVINO_DIR says where it is.")

# What every Debian package has in its folder of share/doc.
set(documents ${PROJECT_BINARY_DIR}/debian)
string(TIMESTAMP release_date "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(packaging/changelog.in ${documents}/changelog.Debian @ONLY)
configure_file(third_party/NOTICES.txt ${documents}/NOTICES.txt COPYONLY)
execute_process(COMMAND gzip -9nf changelog.Debian NOTICES.txt WORKING_DIRECTORY ${documents})
foreach(part cli cpp)
  string(TOUPPER ${part} PART)
  install(FILES packaging/copyright ${documents}/changelog.Debian.gz ${documents}/NOTICES.txt.gz
    DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/${CPACK_DEBIAN_${PART}_PACKAGE_NAME} COMPONENT ${part})
endforeach()
include(CPack)
