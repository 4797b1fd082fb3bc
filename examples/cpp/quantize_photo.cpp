// SPDX-License-Identifier: Apache-2.0
// Quantizes the photograph enlarger so that it loses at most 0.1 dB, with a metric of our own.
//
//   quantize_photo photo_x2.xml calibration.npz validation.npz result.xml
//
// demo_data.py writes the two data files. An ONNX model (.onnx) is run by ONNX Runtime and gives an ONNX result.
#include <tightrope/tightrope.h>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>

// Mean over the items of the peak signal-to-noise ratio in dB, for values in [0,1].
double psnr(tightrope::Session& model, const tightrope::Dataset& data) {
  double sum = 0;
  int items = 0;
  const auto next = data.read();
  while (const auto sample = next()) {
    const auto output = model.run(*sample).front();
    const auto restored = output.as<float>();
    const auto target = sample->label.as<float>();
    double squared_error = 0;
    for (std::size_t i = 0; i < target.size(); ++i) {
      squared_error += std::pow(std::clamp(restored[i], 0.0F, 1.0F) - target[i], 2);
    }
    sum += 10 * std::log10(static_cast<double>(target.size()) / squared_error);
    ++items;
  }
  return sum / items;
}

std::unique_ptr<tightrope::Model> read_model(const std::filesystem::path& path) {
  return path.extension() == ".onnx" ? tightrope::read_onnx(path) : tightrope::read_openvino(path);
}

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: quantize_photo MODEL CALIBRATION.npz VALIDATION.npz RESULT\n";
    return 2;
  }
  try {
    const auto model = read_model(argv[1]);
    const auto calibration = tightrope::read_npz(argv[2]);
    const auto validation = tightrope::read_npz(argv[3], "target");
    tightrope::AccuracyOptions accuracy;
    accuracy.max_drop = 0.1;  // dB
    const auto result =
        tightrope::quantize_with_accuracy_control(*model, *calibration, *validation, psnr, {}, accuracy);
    result.model->save(argv[4]);
    std::cout << to_text(result.report);
    return 0;
  } catch (const tightrope::AccuracyNotReached& error) {
    error.best().model->save(argv[4]);
    std::cerr << error.what() << '\n';
    return 3;
  } catch (const tightrope::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
