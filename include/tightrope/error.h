// SPDX-License-Identifier: Apache-2.0
// What the library throws. Every message says which stage or node, what was found, and what is needed.
#pragma once

#include <stdexcept>
#include <string>

namespace tightrope {

// Everything that Tightrope throws on purpose derives from Error.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// An argument, a data item or a returned metric that cannot be used as it is.
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

// A valid request that this version does not do; the message names the option or the operation.
class Unsupported : public Error {
 public:
  using Error::Error;
};

// A model that holds nothing that can be quantized, or that the framework cannot run.
class QuantizationError : public Error {
 public:
  using Error::Error;
};

// A metric's own program that failed, or printed no number.
class MetricError : public Error {
 public:
  using Error::Error;
};

// A file that cannot be read or written.
class IoError : public Error {
 public:
  IoError(const std::string& message, bool writing) : Error(message), writing_(writing) {}
  bool writing() const { return writing_; }  // false: it could not be read

 private:
  bool writing_;
};

// The work was stopped from outside (Ctrl-C).
class Cancelled : public Error {
 public:
  using Error::Error;
};

// A broken promise inside the library: a bug.
class InternalError : public Error {
 public:
  using Error::Error;
};

}  // namespace tightrope
