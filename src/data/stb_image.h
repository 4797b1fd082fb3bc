// SPDX-License-Identifier: Apache-2.0
// The functions of stb_image that are used; src/data/stb_image.cpp compiles it, PNG, JPEG and BMP only.
#pragma once

extern "C" {
unsigned char* stbi_load(char const* filename, int* x, int* y, int* channels_in_file, int desired_channels);
void stbi_image_free(void* retval_from_stbi_load);
const char* stbi_failure_reason(void);  // NOLINT(modernize-redundant-void-arg)
}
