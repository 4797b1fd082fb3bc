// SPDX-License-Identifier: Apache-2.0
// The files in src/report_page/web and the plotting library, as the build put them into the library.
#pragma once

#include <string_view>

namespace tightrope::report_page {

extern const std::string_view kPage;     // with {{names}} of what is put in
extern const std::string_view kStyle;    // CSS
extern const std::string_view kLibrary;  // JavaScript
extern const std::string_view kScript;   // JavaScript

}  // namespace tightrope::report_page
