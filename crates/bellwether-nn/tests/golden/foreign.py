"""Writes LSTM autoencoders as PyTorch and as Keras keep them, and what PyTorch says of a window.

    python foreign.py       made with torch 2.15.0, numpy 2.4.6, safetensors 0.8.0; writes foreign_*.safetensors and foreign.json

The network reads 5 steps of 6 numbers: an LSTM of 7 units, one of 4 whose last state is repeated, one of 9, and a linear layer
to 3 numbers. `foreign_torch` holds the state dict of the modules. `foreign_keras` holds the same weights under the names and in the
shapes that Keras 3 gives them (`weight.path` of `LSTM` and `TimeDistributed(Dense)`: kernels are the transpose, there is one bias for
each gate, and gates are in the same order). `foreign_forecaster` is an `LSTM` of two layers whose last state goes through the head.
"""

import json
import pathlib

import numpy
import torch
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
torch.manual_seed(5)
torch.set_num_threads(1)


class Autoencoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder1 = torch.nn.LSTM(6, 7, batch_first=True)
        self.encoder2 = torch.nn.LSTM(7, 4, batch_first=True)
        self.decoder = torch.nn.LSTM(4, 9, batch_first=True)
        self.head = torch.nn.Linear(9, 3)

    def forward(self, x):
        _, (last, _) = self.encoder2(self.encoder1(x)[0])
        return self.head(self.decoder(last[-1][:, None].repeat(1, x.shape[1], 1))[0])


class Forecaster(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(6, 8, num_layers=2, batch_first=True)
        self.out = torch.nn.Linear(8, 3)

    def forward(self, x):
        return self.out(self.lstm(x)[1][0][-1])


def larger(net):
    """Weights of the size that training makes, so that gates leave their linear middle."""
    for parameter in net.parameters():
        parameter.data *= 2.5
    return net


def arrays(net):
    return {name: value.detach().numpy().copy() for name, value in net.state_dict().items()}


def keras(state):
    file = {}
    for layer, name in [("encoder1", "lstm"), ("encoder2", "lstm_1"), ("decoder", "lstm_2")]:
        at = f"{name}/lstm_cell/"
        file[at + "kernel"] = state[f"{layer}.weight_ih_l0"].T.copy()
        file[at + "recurrent_kernel"] = state[f"{layer}.weight_hh_l0"].T.copy()
        file[at + "bias"] = state[f"{layer}.bias_ih_l0"] + state[f"{layer}.bias_hh_l0"]
    file["time_distributed/kernel"] = state["head.weight"].T.copy()
    file["time_distributed/bias"] = state["head.bias"]
    return file


autoencoder, forecaster = larger(Autoencoder()), larger(Forecaster())
save_file(arrays(autoencoder), HERE / "foreign_torch.safetensors")
save_file(keras(arrays(autoencoder)), HERE / "foreign_keras.safetensors")
save_file(arrays(forecaster), HERE / "foreign_forecaster.safetensors")
x = torch.randn(2, 5, 6)
with torch.no_grad():
    golden = {
        "made_with": f"torch {torch.__version__}, numpy {numpy.__version__}",
        "x": x.reshape(-1).tolist(),
        "autoencoder": autoencoder(x).reshape(-1).tolist(),
        "forecaster": forecaster(x).reshape(-1).tolist(),
    }
(HERE / "foreign.json").write_text(json.dumps(golden) + "\n")
