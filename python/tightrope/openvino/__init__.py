# SPDX-License-Identifier: Apache-2.0
"""Names that code written for NNCF imports for OpenVINO models."""
