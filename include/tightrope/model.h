// SPDX-License-Identifier: Apache-2.0
// A network in its own framework: the whole seam between algorithms and frameworks.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tightrope/dataset.h"
#include "tightrope/graph.h"
#include "tightrope/plan.h"

namespace tightrope {

// An output asked for instead of the model's own: a value, the first entries of it along the first axis, or a reduction
// of it computed inside the graph.
struct Probe {
  enum class Reduction { kWhole, kMin, kMax, kMean, kHead };
  ValueId value = kNone;
  Reduction reduction = Reduction::kWhole;
  std::vector<int> kept_axes = {};  // axes that are not reduced
  std::int64_t head = 0;            // kHead: how many entries, or all where there are fewer
};

// Adds `offset + gain * mean` to a floating-point value wherever it is read, where `mean` is its own over all axes but
// the channel axis. Both are inputs of the session, behind those of the model: for each addend in turn its offset, of
// one entry per channel, and its gain, of one entry. So a bias is tried out (gain 0), or the mean of a value held at
// what it should be (gain -1), without compiling anew.
struct Addend {
  ValueId value = kNone;
  int channel_axis = 1;  // of known extent; negative counts from the end
};

struct CompileOptions {
  std::string device = "CPU";
  std::string precision = "f32";  // precision of the operations that stay in floating point; empty: the device's choice
  bool throughput = false;        // several samples at a time instead of one sample as fast as possible
  int requests = 0;               // samples at a time; 0: the device's choice
};

// A compiled model. Outputs come in the order of the model's outputs or, where it was compiled with probes, of those.
class Session {
 public:
  virtual ~Session() = default;

  // Throws InvalidArgument for inputs that the model does not take.
  virtual std::vector<Tensor> run(const Sample& sample) = 0;

  // Runs every sample of `next` on parallel requests and hands the outputs to `done` in the order of the samples.
  // An exception of `next` or `done` ends the run and reaches the caller.
  // `what` names the data in messages ("calibration item 3, input 'image': ...").
  virtual void run_all(const SampleReader& next, std::string_view what,
                       const std::function<void(std::size_t index, std::vector<Tensor> outputs)>& done) = 0;
};

class Model {
 public:
  virtual ~Model() = default;

  // The base: the model after rewritings that keep its function. Read once; ids are stable for this object.
  virtual const Graph& graph() const = 0;

  // The elements of a constant value as float32. Throws InvalidArgument where `value` is not a constant.
  virtual Tensor constant(ValueId value) const = 0;

  // The quantized model as a new one; *this is untouched. An empty plan gives the model as it was loaded.
  // Throws InvalidArgument for a plan that names what the model does not have.
  virtual std::unique_ptr<Model> apply(const Plan& plan) const = 0;

  // Probes see a value as it is without its addend. Addends need probes: without, the model runs as it was loaded.
  virtual std::unique_ptr<Session> compile(const CompileOptions& options = {}, std::span<const Probe> probes = {},
                                           std::span<const Addend> addends = {}) const = 0;

  virtual std::string_view framework() const = 0;
  virtual std::string runtime() const { return {}; }  // the library that runs it, with its version; may be empty

  // The precision in which the device runs floating point if nothing else is asked for, such as "bf16"; empty where
  // that is what the model says.
  virtual std::string default_precision(const std::string& device) const {
    static_cast<void>(device);
    return {};
  }

  // Writes all files of the model or none. Throws IoError.
  virtual void save(const std::filesystem::path& path) const = 0;
  virtual std::vector<std::filesystem::path> files_of(
      const std::filesystem::path& path) const = 0;  // what save() writes

  // Text kept inside the model and its files under a key, empty where there is none (the report lives so).
  virtual void set_note(const std::string& key, const std::string& text) = 0;
  virtual std::string note(const std::string& key) const = 0;
};

}  // namespace tightrope
