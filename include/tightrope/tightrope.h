// SPDX-License-Identifier: Apache-2.0
// Everything.
#pragma once

#include "tightrope/data.h"
#include "tightrope/dataset.h"
#include "tightrope/error.h"
#include "tightrope/event.h"
#include "tightrope/graph.h"
#include "tightrope/log.h"
#include "tightrope/metrics.h"
#include "tightrope/model.h"
#include "tightrope/onnx.h"
#include "tightrope/openvino.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"
#include "tightrope/quantize.h"
#include "tightrope/report.h"
#include "tightrope/report_page.h"
#include "tightrope/sensitivity.h"
#include "tightrope/tensor.h"
