// SPDX-License-Identifier: Apache-2.0
// Which OpenVINO the program runs on. The file name of its library changes with every patch release, so the program is
// not linked with it: it is found and loaded first, then the commands are loaded onto it.
#pragma once

namespace tightrope::cli {

// Loads libopenvino, so that what is loaded afterwards finds its symbols. The first of these that has the major.minor
// that Tightrope was built for:
// 1. what the environment variable TIGHTROPE_OPENVINO names: the library, its folder, a Python environment, or an
//    unpacked release of OpenVINO; nothing else is tried then;
// 2. what the loader finds by itself;
// 3. the Python package `openvino` of the active environment (VIRTUAL_ENV, CONDA_PREFIX), of the user, of the system;
// 4. releases in /opt/intel.
// With TIGHTROPE_ANY_OPENVINO set, any version is taken. Throws std::runtime_error, which says what was found instead.
void load_openvino();

}  // namespace tightrope::cli
