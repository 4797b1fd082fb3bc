// SPDX-License-Identifier: Apache-2.0
// A Model without a framework: a float interpreter that really quantizes, for tests of everything above the seam.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tightrope/model.h"

namespace tightrope::test {

// A value while it is computed.
struct Array {
  Shape shape;
  std::vector<float> values;
};
using Compute = std::function<Array(const std::vector<Array>& inputs)>;

struct Net {
  Graph graph;
  std::vector<Compute> computes;  // by node; parameters and constants have none
  std::vector<Array> constants;   // by value; empty where it is none
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
};

// How a model, and all that apply() made of it, was used.
struct Usage {
  int compiled = 0;
  int run = 0;
  std::size_t probes = 0;  // of the last compile()
  CompileOptions options;  // of the last compile()
};

// apply() changes constants by the rescalings, quantizes with the formula of docs/algorithms.md at outputs, inputs and
// weights, and adds bias shifts along the channel axis before an output is quantized. Probes see a value as its
// operation gives it, not yet quantized; reductions have the kept axes alone as their shape. A value without elements
// stands for a branch that did not run where its node has a body, and reduces as a framework does elsewhere. save()
// writes the plan.
class FakeModel : public Model {
 public:
  explicit FakeModel(std::shared_ptr<const Net> net, Plan plan = {},
                     std::shared_ptr<Usage> usage = std::make_shared<Usage>());

  const Graph& graph() const override { return net_->graph; }
  Tensor constant(ValueId value) const override;
  std::unique_ptr<Model> apply(const Plan& plan) const override;
  std::unique_ptr<Session> compile(const CompileOptions& options = {}, std::span<const Probe> probes = {},
                                   std::span<const Addend> addends = {}) const override;
  std::string_view framework() const override { return "fake"; }
  void save(const std::filesystem::path& path) const override;
  std::vector<std::filesystem::path> files_of(const std::filesystem::path& path) const override { return {path}; }
  void set_note(const std::string& key, const std::string& text) override { notes_[key] = text; }
  std::string note(const std::string& key) const override;

  const Plan& plan() const { return plan_; }
  const Usage& usage() const { return *usage_; }

 private:
  std::shared_ptr<const Net> net_;
  Plan plan_;
  std::shared_ptr<Usage> usage_;
  std::map<std::string, std::string> notes_;
};

// Builds a net operation by operation:
//
//   NetBuilder net;
//   const ValueId x = net.input("x", {-1, 4});
//   const ValueId y = net.relu("relu", net.matmul("product", x, weight, 4, 3));
//   const auto model = net.build({y});
class NetBuilder {
 public:
  std::string body;  // of the nodes that are added from now on

  ValueId input(const std::string& name, Shape shape);
  // x [..., in] times the constant "<name>/weight" [in, out].
  ValueId matmul(const std::string& name, ValueId x, std::vector<float> weight, std::int64_t in, std::int64_t out);
  // x [items, in, length] convolved with the constant "<name>/weight" [out, in, 1].
  ValueId convolution(const std::string& name, ValueId x, std::vector<float> weight, std::int64_t in, std::int64_t out);
  // Adds the constant "<name>/constant" along the last axis.
  ValueId add(const std::string& name, ValueId x, std::vector<float> constant);
  ValueId add(const std::string& name, ValueId a, ValueId b);  // of the same shape
  ValueId relu(const std::string& name, ValueId x);
  ValueId map(const std::string& name, const std::string& type, ValueId x, float (*function)(float));
  ValueId concat(const std::string& name, const std::vector<ValueId>& values, int axis);
  ValueId reshape(const std::string& name, ValueId x, Shape shape);  // one extent may be -1
  ValueId argmax(const std::string& name, ValueId x);                // over the last axis; integers

  std::unique_ptr<FakeModel> build(const std::vector<ValueId>& outputs);

 private:
  ValueId constant(const std::string& name, Array array);
  ValueId add_node(Node node, const std::vector<ValueId>& inputs, Shape shape, Compute compute,
                   ElementType type = ElementType::kF32);
  const Shape& shape_of(ValueId value) const { return net_.graph.value(value).shape; }

  Net net_;
};

}  // namespace tightrope::test
