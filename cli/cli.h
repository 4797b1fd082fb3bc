// SPDX-License-Identifier: Apache-2.0
// The command line as a function, for the program and for the Python entry point.
#pragma once

#include <functional>
#include <iosfwd>
#include <span>
#include <string>

#include "accuracy/ranking.h"

namespace tightrope::cli {

enum ExitCode : int {
  kDone = 0,            // and the limit was met, where there is one
  kCannotQuantize = 1,  // the model can't be quantized or run, or something unexpected
  kBadArguments = 2,
  kLimitNotMet = 3,  // the best model was saved
  kCannotRead = 4,   // a file, or the program of a metric failed
  kOutOfTime = 5,    // the time budget ended before the limit was met; the best model was saved
  kCannotWrite = 6,
  kInterrupted = 130,
};

// Makes a Dask cluster, by the address of its scheduler, score groups of operations. Throws InvalidArgument where it
// can't be reached.
using Cluster = std::function<ScoreElsewhere(const std::string& address)>;

// Runs one command. `arguments` come without the program's name; results go to `out`, messages and progress to `err`.
// Gives the exit code; throws nothing and never exits. Not for two threads at a time: log and progress are
// process-wide. Without `cluster`, which a program without Python lacks, --dask is refused.
int run(std::span<const std::string> arguments, std::ostream& out, std::ostream& err, const Cluster& cluster = {});

// From now on the first Ctrl-C makes the running command stop at its next step, and the second ends the process.
void stop_on_interrupt();

}  // namespace tightrope::cli
