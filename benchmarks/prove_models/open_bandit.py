"""Run in an environment of its own: what Open Bandit Pipeline estimates on the data that it brings.

`python open_bandit.py FOLDER` writes, for each log, the arrays that it was given and what it made of them. It imports
torch and plots for estimators that are not asked for here; what is absent is stood in for by empty modules.
"""

import json
import logging
import sys
from pathlib import Path
from types import ModuleType

ABSENT = (
    *("torch", "torch.nn", "torch.nn.functional", "torch.optim", "torch.utils", "torch.utils.data"),
    *("matplotlib", "matplotlib.pyplot", "seaborn"),
)
CAMPAIGNS = ("all", "men", "women")


class Absent(ModuleType):
    """A module whose classes are empty."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return sys.modules.get(f"{self.__name__}.{name}") or type(name, (), {})


def main(folder):
    """Estimate, on logs of both policies, what the other would have earned."""
    sys.modules.update({name: Absent(name) for name in ABSENT})
    logging.disable(logging.CRITICAL)
    import numpy
    from obp.dataset import OpenBanditDataset
    from obp.ope import DoublyRobust, InverseProbabilityWeighting, OffPolicyEvaluation, RegressionModel
    from obp.ope import SelfNormalizedInverseProbabilityWeighting as SelfNormalized
    from obp.policy import BernoulliTS, Random
    from sklearn.linear_model import LogisticRegression

    for policy in ("random", "bts"):
        for campaign in CAMPAIGNS:
            data = OpenBanditDataset(policy, campaign)
            log = data.obtain_batch_bandit_feedback()
            size = {"n_actions": data.n_actions, "len_list": data.len_list, "random_state": 12345}
            if policy == "bts":
                chosen = Random(**size).compute_batch_action_dist(n_rounds=log["n_rounds"])
            else:
                other = BernoulliTS(**size, is_zozotown_prior=True, campaign=campaign)
                chosen = other.compute_batch_action_dist(n_sim=10_000, n_rounds=log["n_rounds"])
            model = RegressionModel(
                n_actions=data.n_actions,
                len_list=data.len_list,
                action_context=data.action_context,
                base_model=LogisticRegression(max_iter=200, random_state=1),
            )
            given = {name: log[name] for name in ("context", "action", "reward", "position", "pscore")}
            predicted = model.fit_predict(**given, n_folds=2, random_state=1)
            estimators = [InverseProbabilityWeighting(), SelfNormalized(), DoublyRobust()]
            found = OffPolicyEvaluation(bandit_feedback=log, ope_estimators=estimators).estimate_policy_values(
                action_dist=chosen, estimated_rewards_by_reg_model=predicted
            )
            place = Path(folder) / f"{policy}-{campaign}"
            del given["context"]
            numpy.savez(place.with_suffix(".npz"), chosen=chosen, predicted=predicted, **given)
            place.with_suffix(".json").write_text(json.dumps({name: float(value) for name, value in found.items()}))


if __name__ == "__main__":
    main(sys.argv[1])
