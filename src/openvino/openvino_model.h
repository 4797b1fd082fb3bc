// SPDX-License-Identifier: Apache-2.0
// The stages of an OpenVINO model, each a function over ov::Model; shared by tightrope::Model and the Python binding.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include <openvino/openvino.hpp>

#include "tightrope/model.h"

namespace tightrope::openvino {

// The one runtime of the process.
ov::Core& core();

// Rewrites a clone of a user's model into the base: every name unique, weights compressed to 16 bits widened to
// float32, constant subgraphs folded, so that weights and biases are plain constants. The function stays the same. Logs
// a warning for weights compressed to 16 bits. Gives the operations that are gone.
std::vector<FoldedOperation> normalize(ov::Model& clone);

// Ids follow the topological order of the operations.
Graph read_graph(const ov::Model& base);

// Rewrites a clone of the base by the plan: FakeQuantize on activations, int8 constants for weights, corrected biases.
// Throws InvalidArgument for a plan that does not fit the model.
void rewrite(ov::Model& clone, const Plan& plan);

// A model over a user's network, which is never changed, and a clone of it, which becomes the base.
std::unique_ptr<Model> make_model(std::shared_ptr<const ov::Model> original, std::shared_ptr<ov::Model> clone);

// Replaces the Results of a clone of the base by one per probe, and gives it two inputs per addend.
void add_probes(ov::Model& clone, const Graph& graph, std::span<const Probe> probes,
                std::span<const Addend> addends = {});

std::unique_ptr<Session> make_session(const std::shared_ptr<const ov::Model>& model, const CompileOptions& options);

// Writes both files or none. Throws IoError.
void save_ir(const std::shared_ptr<ov::Model>& model, const std::filesystem::path& path);

}  // namespace tightrope::openvino
