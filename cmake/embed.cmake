# SPDX-License-Identifier: Apache-2.0
# Writes OUTPUT, a C++ source with the text of the report page's files: cmake -DOUTPUT=... -DSOURCE_DIR=... -P embed.cmake
set(WEB src/report_page/web)
set(kPage ${WEB}/page.html)
set(kStyle ${WEB}/page.css)
set(kLibrary third_party/d3/d3.min.js)
set(kScript ${WEB}/format.js ${WEB}/charts.js ${WEB}/table.js ${WEB}/network.js ${WEB}/page.js)
if(NOT OUTPUT) # included by CMakeLists.txt, which needs the names
  set(TIGHTROPE_PAGE_FILES ${kPage} ${kStyle} ${kLibrary} ${kScript})
  list(TRANSFORM TIGHTROPE_PAGE_FILES PREPEND ${PROJECT_SOURCE_DIR}/)
  return()
endif()

set(source "// Made by cmake/embed.cmake.\n#include \"report_page/files.h\"\n\nnamespace tightrope::report_page {\n")
foreach(name kPage kStyle kLibrary kScript)
  set(text "")
  foreach(path ${${name}})
    file(READ ${SOURCE_DIR}/${path} content)
    string(APPEND text "${content}")
  endforeach()
  string(APPEND source "const std::string_view ${name} = R\"page_file(${text})page_file\";\n")
endforeach()
file(WRITE ${OUTPUT} "${source}}  // namespace tightrope::report_page\n")
