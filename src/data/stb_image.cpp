// SPDX-License-Identifier: Apache-2.0
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_LINEAR
#define STBI_MAX_DIMENSIONS 32768
#define STBI_FAILURE_USERMSG
#include <stb_image.h>
