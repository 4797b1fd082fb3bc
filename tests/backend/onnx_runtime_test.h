// SPDX-License-Identifier: Apache-2.0
// For tests that run ONNX models.
#pragma once

#include <gtest/gtest.h>

#include "onnx/runtime.h"
#include "tightrope/error.h"

namespace tightrope::test {

// The tests use the library of the Python package that the build has installed.
class OnnxRuntimeTest : public testing::Test {
 protected:
  void SetUp() override {
    onnx::set_onnxruntime_library(TIGHTROPE_TEST_ONNXRUNTIME);
    try {
      onnx::runtime_version();
    } catch (const IoError& error) {
      GTEST_SKIP() << error.what();
    }
  }
};

}  // namespace tightrope::test
